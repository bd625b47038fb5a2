// The other side, so that the host has whom to talk to: a subsystem with one namespace in memory.
//
// A controller queue does its work in the CQ callback and waits for nothing. Data goes by itself: a read command is an
// RDMA Write and the completion behind it; a write command is an RDMA Read and the completion with a read fence. What
// has to wait, accepting and taking down, does so on the target's thread.
#pragma once

#include "ndk_layer.h"
#include "nvme_of.h"

class TargetQueue;

class Target {
 public:
  /// `memory` is zeroed. Listens on `portals` ports of the address, each chosen by the provider.
  NTSTATUS Start(Adapter& adapter, const SOCKADDR_IN& address, ULONG portals);
  VOID Stop();
  const SOCKADDR_IN& Portal(ULONG index) const { return portals_[index].address; }

  static constexpr ULONG kPortalsMax = 2;
  static constexpr ULONG kBlocks = 4096;

 private:
  friend class TargetQueue;
  struct ListeningPort {
    NDK_LISTENER* listener;
    SOCKADDR_IN address;
  };
  struct Incoming {
    LIST_ENTRY link;
    NDK_CONNECTOR* connector;
    NvmeRdmaRequest request;
  };

  NTSTATUS Listen(ListeningPort& portal, const SOCKADDR_IN& address);
  VOID ConnectRequested(NDK_CONNECTOR* connector);
  VOID Reject(NDK_CONNECTOR* connector, USHORT reason);
  static VOID Thread(PVOID context);
  VOID Serve();
  VOID Accept(NDK_CONNECTOR* connector, const NvmeRdmaRequest& request);
  Incoming* NextIncoming();
  bool Stopping();
  VOID RemoveQueues(bool all);

  Adapter* adapter_;
  NDK_PD* pd_;
  RegisteredMemory disk_;
  ListeningPort portals_[kPortalsMax];
  PVOID thread_;
  KEVENT wake_;  // one at a time gets it: the thread
  KSPIN_LOCK lock_;
  bool stopping_;        // under lock_: who asks now is refused
  LIST_ENTRY incoming_;  // under lock_
  LIST_ENTRY queues_;    // the thread's
};

class TargetQueue {
 public:
  NTSTATUS Create(Target& target, const NvmeRdmaRequest& request);
  /// Takes the connector over. PASSIVE_LEVEL.
  NTSTATUS Accept(NDK_CONNECTOR* connector);
  bool IsOver() const { return ReadAcquire(&over_) != 0; }
  VOID Close();

 private:
  friend class Target;
  enum class Step : UCHAR { Command, Data, ConnectData, Completion };
  struct Slot;
  struct Work {
    Step step;
    Slot* slot;
  };
  /// A command from its receive to the completion's send.
  struct Slot {
    Work command_work, data_work, connect_work, completion_work;
    NvmeCommand* command;
    NvmeCompletion* completion;
    PUCHAR scratch;  // kIdentifyBytes
  };

  VOID Notified(NTSTATUS cq_status);
  VOID Over();
  VOID Finished(const Work& work, const NDK_RESULT_EX& result);
  VOID Execute(Slot& slot);
  VOID ReadOrWrite(Slot& slot);
  VOID Identify(Slot& slot);
  VOID ConnectCommand(Slot& slot);
  NTSTATUS PostReceive(Slot& slot);
  bool PostRead(Slot& slot, Work& work, PVOID to, ULONG flags);
  bool PostWrite(Slot& slot, const NDK_SGE& from);
  VOID Complete(Slot& slot, USHORT status, ULONG flags = 0, ULONG64 result = 0);
  bool Posted(NTSTATUS status);

  LIST_ENTRY link_;
  Target* target_;
  USHORT id_, depth_;
  NDK_CQ* cq_;
  NDK_QP* qp_;
  NDK_CONNECTOR* connector_;
  RegisteredMemory memory_;
  Slot* slots_;
  bool connected_;
  volatile LONG over_;  // the peer has gone, or something could not be posted
  InUse in_use_;
};
