#pragma once
// Makes fallible calls (base/alloc.h) fail by where they are made: each distinct stack of calls fails once, the first
// time that it is met.
//
//   FaultStacks stacks;
//   while (stacks.next_run()) {
//     { FaultStacks::Injection injection(stacks); scenario(); }
//     ... what must hold after any of its calls has failed ...
//   }
//
// The runs end when one (or `quiet_runs` in a row, where threads make them differ) has met no stack that is new, or
// when one has failed as a test; then the stack is printed, and the command that has it fail again.
// SOFTNDK_FAIL_STACK=<id> runs that stack alone; SOFTNDK_LIST_STACKS=1 prints each stack that fails in a line, for
// addr2line.
#include <gtest/gtest.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>

namespace softndk::test {

/// A call as its stack: the same in every run of one build, wherever its modules lie.
struct CallStack {
  static constexpr int kDepthMax = 128;
  std::uint64_t id = 0;
  const char* what = "";  ///< what failed, as fault_injected() was told
  int depth = 0;
  void* frames[kDepthMax];
};

class FaultStacks {
 public:
  enum class Shortage : std::uint8_t {
    once,  ///< only that call fails
    stays  ///< and all that follow while the injection lives
  };
  explicit FaultStacks(Shortage shortage = Shortage::once);
  ~FaultStacks();
  FaultStacks(const FaultStacks&) = delete;
  FaultStacks& operator=(const FaultStacks&) = delete;

  /// Before each run; false: it was the last. At most `runs_max` runs: more is a failure.
  bool next_run();
  /// How many stacks have failed.
  unsigned failed() const { return static_cast<unsigned>(failed_.size()); }
  /// Whether one has failed in this run.
  bool failed_now() const { return failing_.depth != 0; }
  /// How many distinct stacks a run met in all, those that had failed before included.
  unsigned met() const { return static_cast<unsigned>(met_.size()); }

  /// Calls fail while it lives. One at a time.
  class Injection {
   public:
    explicit Injection(FaultStacks& stacks);
    ~Injection();
    Injection(const Injection&) = delete;
    Injection& operator=(const Injection&) = delete;
  };

  unsigned runs_max = 5000;
  unsigned quiet_runs = 1;
  unsigned one_of = 1;  ///< how many stacks one is failed of; kOneOfManyWhenSlow where there are very many
  static const unsigned kOneOfManyWhenSlow;

 private:
  static bool hook(void* self, const char* what) noexcept;
  bool fails(const char* what);
  /// The stack, in words for a person and for addr2line, and the command; async-signal-safe but for its allocations.
  void describe(int fd) const;
  void describe_in_a_line() const;
  std::size_t offset_of(int frame) const;

  const Shortage shortage_;
  std::mutex mutex_;  // the library asks from any of its threads
  std::unordered_set<std::uint64_t> failed_;
  std::unordered_set<std::uint64_t> met_;
  CallStack failing_;  // of this run, if its depth is not 0
  std::uint64_t only_ = 0;
  unsigned runs_ = 0;
  unsigned quiet_ = 0;  // runs in a row in which nothing failed
  bool list_ = false;
};

}  // namespace softndk::test
