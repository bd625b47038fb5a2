#include "provider/status.h"

#include <gtest/gtest.h>

#include <set>

namespace softndk::provider {
namespace {

constexpr rdma::PostError kPostErrors[] = {rdma::PostError::not_connected, rdma::PostError::queue_full,
                                           rdma::PostError::too_many_sges, rdma::PostError::too_long,
                                           rdma::PostError::no_read_limit, rdma::PostError::unsupported};
constexpr rdma::WorkStatus kWorkStatuses[] = {rdma::WorkStatus::success,          rdma::WorkStatus::cancelled,
                                              rdma::WorkStatus::local_access,     rdma::WorkStatus::remote_access,
                                              rdma::WorkStatus::remote_resources, rdma::WorkStatus::receive_too_small,
                                              rdma::WorkStatus::wrong_state,      rdma::WorkStatus::internal};

TEST(R_WR_24, NoPostFailsWithWarningSeverity) {
  for (rdma::PostError error : kPostErrors)
    EXPECT_TRUE(NT_ERROR(to_ntstatus(error))) << static_cast<int>(error);
}

TEST(R_WR_08, PostErrorsHaveTheirDocumentedStatus) {
  EXPECT_EQ(to_ntstatus(rdma::PostError::not_connected), STATUS_CONNECTION_INVALID);
  EXPECT_EQ(to_ntstatus(rdma::PostError::queue_full), STATUS_INSUFFICIENT_RESOURCES);     // R-WR-12
  EXPECT_EQ(to_ntstatus(rdma::PostError::too_many_sges), STATUS_DATA_OVERRUN);            // R-WR-14
  EXPECT_EQ(to_ntstatus(rdma::PostError::too_long), STATUS_DATA_OVERRUN);                 // R-WR-15
  EXPECT_EQ(to_ntstatus(rdma::PostError::no_read_limit), STATUS_INVALID_DEVICE_REQUEST);  // R-RL-05
}

TEST(R_CST_01, OnlyTheStatusesOfTheTableAppearInACq) {
  const std::set<NTSTATUS> table = {
      STATUS_SUCCESS,         STATUS_CANCELLED,  STATUS_ACCESS_VIOLATION, STATUS_REMOTE_RESOURCES,
      STATUS_BUFFER_OVERFLOW, STATUS_IO_TIMEOUT, STATUS_INTERNAL_ERROR,   STATUS_INVALID_DEVICE_REQUEST};
  for (rdma::WorkStatus status : kWorkStatuses)
    EXPECT_TRUE(table.contains(to_ntstatus(status))) << static_cast<int>(status);
}

TEST(R_CST_02, FlushedRequestsAreCancelled) {
  EXPECT_EQ(to_ntstatus(rdma::WorkStatus::cancelled), STATUS_CANCELLED);
}

TEST(R_RDMA_03, OverReadIsRemoteResourcesAndEveryOtherRemoteRefusalAnAccessViolation) {
  EXPECT_EQ(to_ntstatus(rdma::WorkStatus::remote_resources), STATUS_REMOTE_RESOURCES);
  EXPECT_EQ(to_ntstatus(rdma::WorkStatus::remote_access), STATUS_ACCESS_VIOLATION);
}

TEST(R_CONN_24, ExactlyFourStatusesAreRetryable) {
  using rdma::CmStatus;
  std::set<CmStatus> retryable;
  for (int i = 0; i <= static_cast<int>(CmStatus::qp_busy); ++i) {
    if (is_retryable(to_ntstatus(static_cast<CmStatus>(i)))) retryable.insert(static_cast<CmStatus>(i));
  }
  EXPECT_EQ(retryable, (std::set<CmStatus>{CmStatus::refused, CmStatus::network_unreachable, CmStatus::host_unreachable,
                                           CmStatus::timed_out}));
}

TEST(R_ARM_16, ACqThatOverflowedSaysSo) {
  EXPECT_EQ(to_ntstatus(rdma::CqHealth::good), STATUS_SUCCESS);  // R-ARM-15
  EXPECT_EQ(to_ntstatus(rdma::CqHealth::overflow), STATUS_BUFFER_OVERFLOW);
  EXPECT_EQ(to_ntstatus(rdma::CqHealth::failed), STATUS_INTERNAL_ERROR);  // R-ARM-17
}

}  // namespace
}  // namespace softndk::provider
