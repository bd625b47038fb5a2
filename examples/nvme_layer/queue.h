// One NVMe queue pair of the host: an RDMA connection, a number of commands in flight, the memory that they need.
#pragma once

#include "ndk_layer.h"
#include "nvme_of.h"

constexpr ULONG kCommandDataBytes = 64 * 1024;

/// How a command's data becomes accessible to the controller.
enum class Registration {
  FastRegister,  ///< a fast-register region over the data's logical addresses
  Window         ///< a memory window, bound over a part of a registered region
};

class Queue {
 public:
  /// `memory` is zeroed; `depth` commands may be in flight. PASSIVE_LEVEL, like everything here but Notified().
  NTSTATUS Create(Adapter& adapter, USHORT id, USHORT depth, Registration registration);
  /// From an endpoint of its own, or over one that several queues share.
  NTSTATUS Connect(const SOCKADDR_IN& local, const SOCKADDR_IN& target);
  NTSTATUS Connect(NDK_SHARED_ENDPOINT* endpoint, const SOCKADDR_IN& target);
  /// What a peer that refused the last Connect() had to say.
  NTSTATUS RejectReason(NvmeRdmaReject& reason);
  VOID Disconnect();
  VOID Close();

  /// Executes one command and waits for it. Its data, if any, goes from `out` or to `in`. Any number of threads may
  /// call; STATUS_DEVICE_BUSY when `depth` of them do already.
  NTSTATUS Execute(NvmeCommand command, const VOID* out, PVOID in, ULONG bytes, NvmeCompletion& completion);

  /// For a peer that should refuse us.
  VOID SpoilRecordFormat() { record_format_ = 0xbad; }

  ULONG RemotelyInvalidated() const { return (ULONG)remotely_invalidated_; }
  ULONG LocallyInvalidated() const { return (ULONG)locally_invalidated_; }

 private:
  enum class Step : UCHAR { Register, Send, Invalidate, Receive };
  struct Slot;
  /// What a result's request context points to.
  struct Work {
    Step step;
    Slot* slot;
    PVOID receive;  // Receive: where the completion is
  };
  /// One command in flight.
  struct Slot {
    SINGLE_LIST_ENTRY free;
    USHORT id;
    Work register_work, send_work, invalidate_work;
    NDK_MR* fast_region;
    NDK_MW* window;
    MappedMemory mapped;  // the data of FastRegister; that of Window is in the queue's region
    PUCHAR data;
    NvmeCommand* capsule;
    bool valid;  // the key that the command carries; the poster's, then the callback's
    UINT32 key;
    volatile LONG awaits_completion;  // 1: the fields above are whose who exchanges it for 0
    volatile LONG parts;              // of the command: posted requests and the completion that have not come
    volatile LONG status;
    NvmeCompletion completion;
    KEVENT done;
  };

  VOID Notified(NTSTATUS cq_status);
  VOID PeerGone();
  VOID Finished(const Work& work, const NDK_RESULT_EX& result);
  VOID Received(const Work& work, const NDK_RESULT_EX& result);
  VOID PartEnded(Slot& slot, NTSTATUS status);
  VOID NotSent(Slot& slot, NTSTATUS status);
  VOID FailAll();
  NTSTATUS PostReceive(Work& work);
  NTSTATUS PostRegistration(Slot& slot, ULONG bytes, ULONG rights);
  VOID PostCommand(Slot& slot, NvmeCommand& command, ULONG bytes, ULONG rights);
  VOID PostInvalidate(Slot& slot);
  NTSTATUS CreateSlot(Slot& slot, USHORT id);
  NTSTATUS PrepareConnect(NvmeRdmaRequest& request);
  NTSTATUS FinishConnect(NTSTATUS status);
  PUCHAR DataOf(USHORT id) { return memory_.Bytes() + (SIZE_T)depth_ * 128 + (SIZE_T)id * kCommandDataBytes; }

  Adapter* adapter_;
  USHORT id_, depth_, record_format_;
  Registration registration_;
  NDK_CQ* cq_;
  NDK_PD* pd_;
  NDK_QP* qp_;
  NDK_CONNECTOR* connector_;
  RegisteredMemory memory_;  // depth capsules of 64 bytes, depth completions of 64 (16 used), data of Window
  Slot* slots_;
  Work* receives_;
  bool connected_;
  InUse in_use_;
  KSPIN_LOCK post_lock_;  // the initiator queue is everybody's
  KSPIN_LOCK slot_lock_;
  SINGLE_LIST_ENTRY free_slots_;
  volatile LONG remotely_invalidated_, locally_invalidated_;
};
