// What an NVMe over Fabrics host and its subsystem say to each other over RDMA: as much of it as this example speaks.
// Everything is little endian, as the processor is.
#pragma once

#include <ntddk.h>

struct NvmeKeyedSgl {
  ULONG64 Address;
  UCHAR Length[3];
  UCHAR Key[4];
  UCHAR Identifier;
};

// Keyed SGL data block, address; with "invalidate key" the controller invalidates the key with its completion.
constexpr UCHAR kSglKeyed = 0x40;
constexpr UCHAR kSglKeyedInvalidate = 0x4f;

inline NvmeKeyedSgl MakeKeyedSgl(ULONG64 address, ULONG bytes, UINT32 key, bool invalidate) {
  NvmeKeyedSgl sgl = {address,
                      {(UCHAR)bytes, (UCHAR)(bytes >> 8), (UCHAR)(bytes >> 16)},
                      {},
                      invalidate ? kSglKeyedInvalidate : kSglKeyed};
  RtlCopyMemory(sgl.Key, &key, sizeof(key));
  return sgl;
}
inline ULONG SglBytes(const NvmeKeyedSgl& sgl) {
  return sgl.Length[0] | (ULONG)sgl.Length[1] << 8 | (ULONG)sgl.Length[2] << 16;
}
inline UINT32 SglKey(const NvmeKeyedSgl& sgl) {
  UINT32 key;
  RtlCopyMemory(&key, sgl.Key, sizeof(key));
  return key;
}

struct NvmeCommand {
  UCHAR Opcode;
  UCHAR Flags;
  USHORT CommandId;
  ULONG NamespaceId;  // of a fabrics command: its type
  UCHAR Reserved[16];
  NvmeKeyedSgl Sgl;
  ULONG Cdw10, Cdw11, Cdw12, Cdw13, Cdw14, Cdw15;
};
static_assert(sizeof(NvmeCommand) == 64, "a submission queue entry");

struct NvmeCompletion {
  ULONG64 Result;
  USHORT SqHead;
  USHORT SqId;
  USHORT CommandId;
  USHORT Status;  // 0: success; bit 0 is the phase, which fabrics do not use
};
static_assert(sizeof(NvmeCompletion) == 16, "a completion queue entry");

constexpr UCHAR kFlagSglForData = 0x40;

constexpr UCHAR kOpcodeFlush = 0x00;
constexpr UCHAR kOpcodeWrite = 0x01;
constexpr UCHAR kOpcodeRead = 0x02;
constexpr UCHAR kOpcodeIdentify = 0x06;
constexpr UCHAR kOpcodeFabrics = 0x7f;
constexpr ULONG kFabricsConnect = 0x01;

constexpr USHORT kStatusSuccess = 0;
constexpr USHORT kStatusInvalidOpcode = 0x01 << 1;
constexpr USHORT kStatusInvalidField = 0x02 << 1;
constexpr USHORT kStatusLbaOutOfRange = 0x80 << 1;
constexpr USHORT kStatusConnectInvalid = (0x1 << 8 | 0x82) << 1;

constexpr ULONG kBlockBytes = 512;
constexpr ULONG kIdentifyBytes = 4096;

// The data of the Connect command.
struct NvmeConnectData {
  UCHAR HostId[16];
  USHORT ControllerId;
  UCHAR Reserved[238];
  CHAR SubsystemName[256];
  CHAR HostName[256];
  UCHAR Reserved2[256];
};
static_assert(sizeof(NvmeConnectData) == 1024, "the Connect command's data");

// Private data of the RDMA connection, all of 32 bytes but that of a reject.
struct NvmeRdmaRequest {
  USHORT RecordFormat;
  USHORT QueueId;
  USHORT HostReceiveQueueSize;
  USHORT HostSendQueueSize;
  UCHAR Reserved[24];
};
struct NvmeRdmaAccept {
  USHORT RecordFormat;
  USHORT ControllerReceiveQueueSize;
  UCHAR Reserved[28];
};
struct NvmeRdmaReject {
  USHORT RecordFormat;
  USHORT Status;
};
static_assert(sizeof(NvmeRdmaRequest) == 32 && sizeof(NvmeRdmaAccept) == 32, "the RDMA transport's private data");

constexpr USHORT kRejectInvalidLength = 0x01;
constexpr USHORT kRejectInvalidRecordFormat = 0x02;
constexpr USHORT kRejectInvalidQueueId = 0x03;

constexpr const CHAR kSubsystemName[] = "nqn.2024-01.org.example:nvme-layer";
constexpr const CHAR kHostName[] = "nqn.2024-01.org.example:host";
