#include "tools/ndkperf/connect_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace softndk::tools {
namespace {

VOID ignore_closed(PVOID) {}

class LockHeld {
 public:
  explicit LockHeld(KSPIN_LOCK& lock) { KeAcquireInStackQueuedSpinLock(&lock, &handle_); }
  ~LockHeld() { KeReleaseInStackQueuedSpinLock(&handle_); }
  LockHeld(const LockHeld&) = delete;
  LockHeld& operator=(const LockHeld&) = delete;

 private:
  KLOCK_QUEUE_HANDLE handle_;
};

}  // namespace

ConnectWave::ConnectWave(const ConnectShared& shared, std::uint32_t held)
    : held_(held), slots_(std::make_unique<ConnectSlot[]>(held)) {
  for (std::uint32_t i = 0; i < held_; ++i)
    slots_[i].init(shared, *this);
}

ConnectWave::~ConnectWave() {
  // After a failure some may be up still.
  for (std::uint32_t i = 0; i < held_; ++i)
    if (slots_[i].is_up()) {
      begin(held_, 1);
      ConnectSlot::start(&slots_[i]);
      done_.wait(Deadline::never());
    }
}

void ConnectWave::begin(std::uint32_t next, std::uint32_t left) {
  next_ = next;
  left_ = left;
  done_.clear();
}

Result<void> ConnectWave::move(std::uint32_t at_a_time) {
  const std::uint32_t first = std::min(at_a_time, held_);
  begin(first, held_);
  for (std::uint32_t i = 0; i < first; ++i)
    ConnectSlot::start(&slots_[i]);
  // No limit of our own: a slot whose request pends cannot be given up half-way, and the provider has limits.
  done_.wait(Deadline::never());
  for (std::uint32_t i = 0; i < held_; ++i)
    if (const ConnectTrouble& trouble = slots_[i].trouble(); trouble.call != nullptr)
      return tl::unexpected(
          provider_failure(trouble.call, trouble.status, fmt::format("connection {} of {}", i + 1, held_)));
  return {};
}

void ConnectWave::record(Histogram& into) const {
  for (std::uint32_t i = 0; i < held_; ++i)
    into.record(slots_[i].took_ns());
}

ConnectSlot* ConnectWave::finished(ConnectSlot&) {
  const std::uint32_t following = next_.fetch_add(1);
  // The last touch, where it is the last: the waiter may be gone before this returns.
  if (left_.fetch_sub(1) == 1) done_.set();
  return following < held_ ? &slots_[following] : nullptr;
}

VOID ConnectAcceptor::connect_event(PVOID context, NDK_CONNECTOR* connector) {
  auto* acceptor = static_cast<ConnectAcceptor*>(context);
  std::array<std::byte, PerfHello::kWireBytes> told{};
  ULONG bytes = sizeof(told);
  static_cast<void>(connector->Dispatch->NdkGetConnectionData(connector, nullptr, nullptr, told.data(), &bytes));
  const auto hello = decode_perf_hello(told);
  if (!hello || hello->mode != PerfMode::connect) {
    connector->Dispatch->NdkCloseConnector(&connector->Header, &ignore_closed, nullptr);  // which rejects it (R-CLS-18)
    return;
  }
  {
    const LockHeld held(acceptor->lock_);
    ++acceptor->live_;
  }
  auto* const slot = new ConnectSlot;
  slot->init(acceptor->shared_, *acceptor);
  slot->accept(connector);
}

ConnectAcceptor::~ConnectAcceptor() {
  for (;;) {
    emptied_.clear();
    if (is_empty()) return;
    emptied_.wait(Deadline::never());
  }
}

bool ConnectAcceptor::is_empty() {
  const LockHeld held(lock_);
  return live_ == 0;
}

void ConnectAcceptor::expect(std::uint64_t accepted) {
  expected_ = accepted;
  if (accepted_ >= accepted) cq_.wake();
}

ConnectSlot* ConnectAcceptor::finished(ConnectSlot& slot) {
  if (slot.is_up()) {
    if (++accepted_ == expected_) cq_.wake();
    return nullptr;
  }
  if (slot.trouble().call != nullptr) ++failed_;
  delete &slot;
  // All under the lock: whoever waits for the last one takes it once more before it lets the acceptor and the queue go.
  const LockHeld held(lock_);
  if (--live_ == 0) {
    emptied_.set();
    cq_.wake();
  }
  return nullptr;
}

}  // namespace softndk::tools
