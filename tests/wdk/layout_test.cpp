// The static assertions were made when the generated sources compiled; here it is shown that they were made for every
// row of the tables, and that the tables say what the programs see.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "layout_rows.h"
#include "wdk/ndis.h"
#include "wdk/ndisndk.h"
#include "wdk/ndkpi.h"
#include "wdk/wskndk.h"

namespace {

struct TableRow {
  std::string structure;
  std::string field;
  std::size_t offset_bytes;
  std::size_t size_bytes;
};

std::vector<TableRow> read_table(const char* path) {
  std::ifstream file(path);
  std::vector<TableRow> rows;
  std::string line;
  std::getline(file, line);  // names of the columns
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string offset;
    std::string size;
    TableRow row;
    std::getline(cells, row.structure, ',');
    std::getline(cells, row.field, ',');
    std::getline(cells, offset, ',');
    std::getline(cells, size, ',');
    row.offset_bytes = std::stoul(offset);
    row.size_bytes = std::stoul(size);
    rows.push_back(row);
  }
  return rows;
}

void expect_every_row(const LayoutRows& seen) {
  std::vector<TableRow> table = read_table(NDKPI_ABI_TABLE);
  ASSERT_EQ(table.size(), 362u) << "the interface's table has lost or gained rows";
  for (const TableRow& row : read_table(KERNEL_ABI_TABLE))
    table.push_back(row);
  ASSERT_GT(table.size(), 362u) << "the kernel objects' table is empty";
  ASSERT_EQ(seen.count, table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    SCOPED_TRACE(table[i].structure + "." + table[i].field);
    EXPECT_EQ(seen.rows[i].structure, table[i].structure);
    EXPECT_EQ(seen.rows[i].field, table[i].field);
    EXPECT_EQ(seen.rows[i].offset_bytes, table[i].offset_bytes);
    EXPECT_EQ(seen.rows[i].size_bytes, table[i].size_bytes);
  }
}

TEST(R_ABI_01, EveryRowOfTheTablesIsAssertedInC) {
  expect_every_row(layout_rows_c());
}
TEST(R_ABI_01, EveryRowOfTheTablesIsAssertedInCxx) {
  expect_every_row(layout_rows_cpp());
}
TEST(R_ABI_01, EveryRowOfTheTablesIsAssertedForSourcesOfTheLibrary) {
  expect_every_row(layout_rows_cpp_library());
}

TEST(R_ABI_02, AddressFamiliesAreThoseOfWindows) {
  EXPECT_EQ(SOFTNDK_AF_INET, 2);
  EXPECT_EQ(SOFTNDK_AF_INET6, 23);
}

TEST(R_TBL_01, TablesOfOlderVersionsEndWhereNewerSlotsBegin) {
  EXPECT_EQ(offsetof(NDK_CQ_DISPATCH, NdkGetCqResultsEx), 48u);
  EXPECT_EQ(offsetof(NDK_QP_DISPATCH, NdkSendAndInvalidate), 80u);
  EXPECT_EQ(offsetof(NDK_CONNECTOR_DISPATCH, NdkCompleteConnectEx), 88u);
}

TEST(R_TBL_02, ConnectorTableOf2_1EndsWithAcceptEx) {
  EXPECT_EQ(offsetof(NDK_CONNECTOR_DISPATCH, NdkCompleteConnectEx), 0x58u);
  EXPECT_EQ(offsetof(NDK_CONNECTOR_DISPATCH, NdkAcceptEx), 0x60u);
  EXPECT_EQ(sizeof(NDK_CONNECTOR_DISPATCH), 0x68u);
}

TEST(R_NDIS_07, ProviderCharacteristicsHaveTheDocumentedTypeAndSize) {
  EXPECT_EQ(NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS, 0xB2);
  EXPECT_EQ(NDIS_NDK_PROVIDER_CHARACTERISTICS_REVISION_1, 1);
  EXPECT_EQ(NDIS_SIZEOF_NDK_PROVIDER_CHARACTERISTICS_REVISION_1, 24u);
}

TEST(R_NDIS_09, NdkAttributesHaveTheDocumentedTypeAndSize) {
  EXPECT_EQ(NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES, 0xB3);
  EXPECT_EQ(NDIS_SIZEOF_MINIPORT_ADAPTER_NDK_ATTRIBUTES_REVISION_1, 16u);
}

TEST(R_NDIS_10, CapabilitiesHaveTheDocumentedSize) {
  EXPECT_EQ(NDIS_OBJECT_TYPE_DEFAULT, 0x80);
  EXPECT_EQ(NDIS_SIZEOF_NDK_CAPABILITIES_REVISION_1, 56u);
}

TEST(R_NDIS_16, MaskBitOfACounterIsItsIndex) {
  EXPECT_EQ(NDIS_NDK_PERFORMANCE_COUNTER_MASK(Connect), 1u);
  EXPECT_EQ(NDIS_NDK_PERFORMANCE_COUNTER_MASK(CQError), 1u << 25);
  EXPECT_EQ(NDIS_NDK_PERFORMANCE_COUNTER_MASK(RDMAOutFrames), 1u << 29);
}

TEST(R_PNP_03, EnableAndDisableAreEvents13And14) {
  EXPECT_EQ(NetEventNDKEnable, 13);
  EXPECT_EQ(NetEventNDKDisable, 14);
}

TEST(R_OID_07, StatisticsAre248Bytes) {
  EXPECT_EQ(NDIS_SIZEOF_NDK_STATISTICS_INFO_REVISION_1, 248u);
}

TEST(R_OID_13, ListsGrowByOneEntryEach) {
  EXPECT_EQ(NDIS_SIZEOF_NDK_CONNECTIONS_REVISION_1(0), 16u);
  EXPECT_EQ(NDIS_SIZEOF_NDK_CONNECTIONS_REVISION_1(3), 16u + 3 * 64);
  EXPECT_EQ(NDIS_SIZEOF_NDK_LOCAL_ENDPOINTS_REVISION_1(0), 16u);
  EXPECT_EQ(NDIS_SIZEOF_NDK_LOCAL_ENDPOINTS_REVISION_1(3), 16u + 3 * 36);
}

TEST(R_INF_01, TechnologiesHaveTheKeywordsNumbers) {
  EXPECT_EQ(NdkiWarp, 1);
  EXPECT_EQ(NdkInfiniBand, 2);
  EXPECT_EQ(NdkRoCE, 3);
  EXPECT_EQ(NdkRoCEv2, 4);
}

TEST(R_CQ_16, OperationTypesHaveTheDocumentedValues) {
  EXPECT_EQ(NdkOperationTypeReceive, 1);
  EXPECT_EQ(NdkOperationTypeReceiveAndInvalidate, 0x8001);
  EXPECT_EQ(NdkOperationTypeSend, 2);
  EXPECT_EQ(NdkOperationTypeFastRegister, 4);
  EXPECT_EQ(NdkOperationTypeBind, 8);
  EXPECT_EQ(NdkOperationTypeInvalidate, 16);
  EXPECT_EQ(NdkOperationTypeRead, 32);
  EXPECT_EQ(NdkOperationTypeWrite, 64);
}

TEST(R_OBJ_03, ObjectTypesAreNumberedFrom1To10) {
  const int in_order[] = {NdkObjectTypeUndefined, NdkObjectTypeAdapter,  NdkObjectTypeQp,  NdkObjectTypeCq,
                          NdkObjectTypeMr,        NdkObjectTypeMw,       NdkObjectTypePd,  NdkObjectTypeSharedEndpoint,
                          NdkObjectTypeConnector, NdkObjectTypeListener, NdkObjectTypeSrq, NdkObjectTypeMax};
  for (int i = 0; i < 12; ++i)
    EXPECT_EQ(in_order[i], i);
}

TEST(R_ARM_01, NotificationKindsAreNotInOrderOfStrength) {
  EXPECT_EQ(NDK_CQ_NOTIFY_ERRORS, 0);
  EXPECT_EQ(NDK_CQ_NOTIFY_ANY, 1);
  EXPECT_EQ(NDK_CQ_NOTIFY_SOLICITED, 2);
}

TEST(NdkFlags, HaveTheValuesOfTheHeader) {
  EXPECT_EQ(NDK_MR_FLAG_ALLOW_REMOTE_WRITE, 5);
  EXPECT_EQ(NDK_MR_FLAG_RDMA_READ_SINK, 8);
  EXPECT_EQ(NDK_OP_FLAG_ALLOW_REMOTE_WRITE, 0x30);
  EXPECT_EQ(NDK_OP_FLAG_INLINE, 0x40);
  EXPECT_EQ(NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE, 0x100);  // a reference page prints 0x200 (C-77)
  EXPECT_EQ(NDK_OP_FLAG_DEFER, 0x200);
  EXPECT_EQ(NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED, 0x100);
  EXPECT_EQ(NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED, 0x10000);
}

TEST(R_WSK_01, ControlCodeIsTheCharactersNDKD) {
  EXPECT_EQ(WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0x4E444B44u);
  EXPECT_EQ(sizeof(WSK_PROVIDER_NDK_DISPATCH), 16u);
}

// The orders of parameters that a reader of the pages gets wrong: a wrong one would not compile as this initialiser.
NTSTATUS send_and_invalidate(NDK_QP*, PVOID, const NDK_SGE*, ULONG, ULONG flags, UINT32 token) {
  return static_cast<NTSTATUS>(flags * 16 + token);
}
NTSTATUS fast_register(NDK_QP*, PVOID, NDK_MR*, ULONG, const NDK_LOGICAL_ADDRESS* pages, ULONG, SIZE_T, PVOID, ULONG) {
  return pages == nullptr ? 1 : 2;
}
NTSTATUS reject(NDK_CONNECTOR*, const VOID* data, ULONG length) {
  return data == nullptr && length == 7 ? 1 : 2;
}

TEST(NdkSignatures, FollowTheHeaderWhereThePagesDiffer) {
  NDK_QP_DISPATCH qp{};
  qp.NdkSendAndInvalidate = send_and_invalidate;
  qp.NdkFastRegister = fast_register;
  NDK_CONNECTOR_DISPATCH connector{};
  connector.NdkReject = reject;
  EXPECT_EQ(qp.NdkSendAndInvalidate(nullptr, nullptr, nullptr, 0, 2, 3), 2 * 16 + 3);
  EXPECT_EQ(qp.NdkFastRegister(nullptr, nullptr, nullptr, 0, nullptr, 0, 0, nullptr, 0), 1);
  EXPECT_EQ(connector.NdkReject(nullptr, nullptr, 7), 1);
}

}  // namespace
