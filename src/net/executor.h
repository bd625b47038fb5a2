#pragma once
#include <array>

#include "io/executor.h"
#include "net/clock.h"
#include "net/processor.h"

namespace softndk::net {

/// OS threads. A parked thread polls for spin_ns where that has paid lately, then sleeps on a futex: its word is
/// ThreadContext::world itself, so neither parking nor waking ever allocates, and any thread, adopted ones too, can be
/// woken from the first moment.
class Executor final : public io::Executor {
 public:
  static constexpr unsigned kProcessorsMax = 64;

  Executor(Clock& clock, io::TimeNs spin_ns) noexcept : clock_(clock), spin_ns_(spin_ns) {}
  ~Executor() override;
  /// Before anything else runs. On error those that were started stay until destruction.
  expected<void, io::IoError> start_processors(unsigned count) noexcept;

  expected<io::ThreadHandle, io::IoError> spawn(const char* name, void (*entry)(void*),
                                                void* argument) noexcept override;
  void join(io::ThreadHandle thread) noexcept override;
  bool park(io::TimeNs deadline_ns) noexcept override;
  void unpark(io::ThreadContext& thread) noexcept override;
  void relax(unsigned spins) noexcept override;
  void yield() noexcept override {}
  unsigned processor_count() const noexcept override { return processor_count_; }
  io::Processor& processor(unsigned index) noexcept override;

 private:
  Clock& clock_;
  const io::TimeNs spin_ns_;
  // Constant after start_processors().
  std::array<Owned<Processor>, kProcessorsMax> processors_;
  unsigned processor_count_ = 0;
};

}  // namespace softndk::net
