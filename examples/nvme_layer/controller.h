// The host's view of a subsystem: an admin queue and two for I/O.
#pragma once

#include "queue.h"

class Controller {
 public:
  static constexpr USHORT kIoQueues = 2;

  /// `memory` is zeroed. The admin queue and the first I/O queue go out from one shared endpoint, to two portals; the
  /// second I/O queue has its own. PASSIVE_LEVEL, like all of it.
  NTSTATUS Connect(Adapter& adapter, const SOCKADDR_IN& local, const SOCKADDR_IN& first, const SOCKADDR_IN& second);
  VOID Disconnect();

  NTSTATUS Write(USHORT queue, ULONG64 block, const VOID* from, ULONG blocks);
  NTSTATUS Read(USHORT queue, ULONG64 block, PVOID to, ULONG blocks);
  NTSTATUS Flush(USHORT queue);
  /// A command that the subsystem refuses, and how it says so.
  NTSTATUS ReadStatus(USHORT queue, ULONG64 block, PVOID to, ULONG blocks, USHORT& nvme_status);
  ULONG64 Blocks() const { return blocks_; }
  const Queue& Io(USHORT queue) const { return io_[queue]; }

 private:
  NTSTATUS FabricsConnect(Queue& queue, USHORT id, USHORT depth);
  NTSTATUS Identify();

  Queue admin_;
  Queue io_[kIoQueues];
  NDK_SHARED_ENDPOINT* endpoint_;
  ULONG64 blocks_;
};
