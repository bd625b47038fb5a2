#pragma once
// Completion queue and queue pair.
#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "tools/common/ndk_adapter.h"
#include "tools/common/ndk_region.h"

namespace softndk::tools {

enum class WaitMode : std::uint8_t { notified, polled };

/// Results are taken and the queue is armed by one thread, as the interface wants it (R-CQ-26); wake() is for any.
class Cq : public Object<NDK_CQ> {
 public:
  static Result<std::unique_ptr<Cq>> create(const Adapter& adapter, ULONG depth);
  ~Cq() { finish_close(); }  // while notified() may still run, event_ is there

  /// What is there now; 0 for nothing.
  std::size_t poll(std::span<NDK_RESULT_EX> results);
  /// Waits for results. 0: wake() was called. A failure names `waiting_for` when the deadline passes.
  Result<std::size_t> wait(std::span<NDK_RESULT_EX> results, WaitMode mode, const Deadline& deadline,
                           const char* waiting_for);
  /// Ends a wait, now or the next one.
  void wake();

 private:
  static VOID notified(PVOID context, NTSTATUS status);
  bool take_wake() { return woken_.load(std::memory_order_relaxed) && woken_.exchange(false); }

  std::string name_;
  Event event_;
  std::atomic<bool> woken_{false};
  std::atomic<NTSTATUS> status_{STATUS_SUCCESS};
};

struct QpShape {
  ULONG receive_depth = 1;
  ULONG initiator_depth = 1;
  ULONG inline_bytes = 0;
};

/// Posts are the caller's to serialise on each queue (R-WR-03). `context` comes back in the result.
class Qp : public Object<NDK_QP> {
 public:
  static Result<std::unique_ptr<Qp>> create(const Adapter& adapter, const Pd& pd, const Cq& cq, const QpShape& shape,
                                            void* qp_context);

  Result<void> receive(void* context, const NDK_SGE& sge);
  Result<void> send(void* context, const NDK_SGE& sge, ULONG flags = 0);
  Result<void> read(void* context, const NDK_SGE& sink, UINT64 remote_address, UINT32 remote_token, ULONG flags = 0);
  Result<void> write(void* context, const NDK_SGE& source, UINT64 remote_address, UINT32 remote_token, ULONG flags = 0);
  Result<void> send_and_invalidate(void* context, const NDK_SGE& sge, UINT32 remote_token, ULONG flags = 0);
  /// The first `bytes` of the region. `flags`: NDK_OP_FLAG_ALLOW_*.
  Result<void> bind(void* context, const Region& region, const Window& window, std::size_t bytes, ULONG flags);
  Result<void> invalidate(void* context, const Window& window, ULONG flags = 0);
  void flush() { get()->Dispatch->NdkFlush(get()); }
};

}  // namespace softndk::tools
