#include "workload/workers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include "base/log.h"
#include "sim/sanitizer.h"
#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {
namespace {

/// Real seconds that one run may take, in the slowest build.
constexpr unsigned kRunSecondsMax = 120;
/// A process runs so many, so that what one leaves behind cannot hide what another does.
constexpr std::uint64_t kBatch = 200;
/// Every so often a seed runs twice, and has to give the same trace.
constexpr std::uint64_t kTwice = 50;

/// Written by a worker, read by the parent after its end.
struct Board {
  std::atomic<std::uint64_t> seed{0};
  Tally tally;
};

Outcome run_seed(std::uint64_t seed) {
  Plan plan = draw_plan(seed);
  normalize_plan(plan);
  return run_plan(plan, nullptr);
}

/// A shortage that was made says so in the log, once for each seed that makes one.
void be_quiet() {
  set_log_sink([](void*, LogLevel, const char*) {}, nullptr);
}

[[noreturn]] void work(std::uint64_t first, std::uint64_t end, Board& board) {
  be_quiet();
  for (std::uint64_t seed = first; seed < end; ++seed) {
    board.seed = seed;
    alarm(kRunSecondsMax);
    const Outcome once = run_seed(seed);
    board.tally += once.tally;
    if (seed % kTwice != 0) continue;
    if (run_seed(seed).trace_hash != once.trace_hash) fail("seed %llu gave two traces", (unsigned long long)seed);
  }
#if SOFTNDK_ASAN
  if (__lsan_do_recoverable_leak_check() != 0) fail("what the runs of this process took was not all given back");
#endif
  std::fflush(nullptr);
  _exit(kPassed);
}

int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class Worker {
 public:
  Worker() {
    void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    board_ = ::new (memory) Board;
  }
  void start(std::uint64_t first, std::uint64_t end) {
    std::fflush(nullptr);
    end_ = end;
    process_ = fork();
    if (process_ == 0) work(first, end, *board_);
  }
  bool is_process(pid_t process) const { return process_ == process; }
  bool is_busy() const { return process_ > 0; }
  void ended() { process_ = 0; }
  std::uint64_t seed() const { return board_->seed; }
  std::uint64_t end() const { return end_; }
  const Tally& tally() const { return board_->tally; }

 private:
  Board* board_;
  pid_t process_ = 0;
  std::uint64_t end_ = 0;
};

/// The cuts after which it still fails; each is tried once, the largest first.
std::string shrink(std::uint64_t seed) {
  std::string kept;
  for (bool shorter = true; shorter;) {
    shorter = false;
    Plan plan = draw_plan(seed);
    cut_plan(plan, kept);
    for (const std::string& each : possible_cuts(plan)) {
      if (kept.find(each) != std::string::npos) continue;
      const std::string trial = kept.empty() ? each : kept + "," + each;
      if (run_apart(seed, trial, false) == kPassed) continue;
      kept = trial;
      shorter = each[1] == 's' || each[1] == 't';
      if (shorter) break;
    }
  }
  return kept;
}

void report(const Search& search, std::uint64_t seed, int code) {
  if (code == 128 + SIGALRM) {
    std::fprintf(stderr, "workload: seed %llu did not end within %u s\n", static_cast<unsigned long long>(seed),
                 kRunSecondsMax);
  } else if (code > 128) {
    std::fprintf(stderr, "workload: seed %llu ended with signal %d\n", static_cast<unsigned long long>(seed),
                 code - 128);
  }
  std::fprintf(stderr, "to replay it:\n  %s --seed %llu\n", search.program.c_str(),
               static_cast<unsigned long long>(seed));
  if (!search.shrinks || code == 128 + SIGALRM) return;
  const std::string cuts = shrink(seed);
  if (cuts.empty()) return;
  Plan plan = draw_plan(seed);
  cut_plan(plan, cuts);
  normalize_plan(plan);
  std::fprintf(stderr,
               "or what is left of it when all is cut away that it fails without:\n  %s --seed %llu --cut=%s\n%s",
               search.program.c_str(), static_cast<unsigned long long>(seed), cuts.c_str(), describe(plan).c_str());
}

}  // namespace

int run_apart(std::uint64_t seed, const std::string& cuts, bool says) {
  std::fflush(nullptr);
  const pid_t process = fork();
  if (process == 0) {
    if (!says) {
      const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
      dup2(nowhere, STDERR_FILENO);
    }
    alarm(kRunSecondsMax);
    Plan plan = draw_plan(seed);
    cut_plan(plan, cuts);
    normalize_plan(plan);
    run_plan(plan, nullptr);
    _exit(kPassed);
  }
  int status = 0;
  waitpid(process, &status, 0);
  return exit_code(status);
}

namespace {

/// Each often enough that what is checked about it was checked.
bool every_arm_occurred(const Tally& sum, std::uint64_t seeds) {
  bool all = true;
  for (std::size_t i = 0; i < kArms; ++i) {
    const std::uint64_t least = std::max<std::uint64_t>(seeds / 100, 1);
    if (sum.arms[i] >= least) continue;
    std::fprintf(stderr, "workload: %s: %llu in %llu seeds, too few to show anything\n", name_of(static_cast<Arm>(i)),
                 static_cast<unsigned long long>(sum.arms[i]), static_cast<unsigned long long>(seeds));
    all = false;
  }
  return all;
}

}  // namespace

bool search(const Search& search) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<Worker> workers(search.jobs);
  const std::uint64_t end = search.first + search.count;
  std::uint64_t next = search.first;
  unsigned failures = 0;
  const auto start = [&](Worker& worker, std::uint64_t first, std::uint64_t until) {
    if (first < until) worker.start(first, until);
  };
  const auto start_next = [&](Worker& worker) {
    if (failures >= search.failures_max || next >= end) return;
    const std::uint64_t until = std::min(next + kBatch, end);
    start(worker, std::exchange(next, until), until);
  };
  for (Worker& worker : workers)
    start_next(worker);
  for (;;) {
    int status = 0;
    const pid_t process = wait(&status);
    if (process < 0) break;
    for (Worker& worker : workers) {
      if (!worker.is_process(process)) continue;
      worker.ended();
      const int code = exit_code(status);
      if (code != kPassed) {
        ++failures;
        report(search, worker.seed(), code);
        if (failures < search.failures_max && worker.seed() + 1 < worker.end()) {
          start(worker, worker.seed() + 1, worker.end());
          break;
        }
      }
      start_next(worker);
      break;
    }
  }
  Tally sum;
  for (const Worker& worker : workers)
    sum += worker.tally();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf(
      "workload: seeds %llu to %llu, %u failed, %.1f s: %llu sides established, %llu requests completed, %llu "
      "cancelled, %llu closes told later, %llu million steps\n",
      number(search.first), number(next - 1), failures, took.count(), number(sum.connections), number(sum.requests),
      number(sum.cancelled), number(sum.closes_pending), number(sum.steps / 1'000'000));
  for (std::size_t i = 0; i < kArms; ++i)
    std::printf("%s%s %llu", i == 0 ? "  " : ", ", name_of(static_cast<Arm>(i)), number(sum.arms[i]));
  std::printf("\n");
  constexpr std::uint64_t kEnoughToJudge = 200;
  if (search.count >= kEnoughToJudge && failures == 0 &&
      (sum.connections < search.count / 4 || sum.requests < search.count)) {
    std::fprintf(stderr, "workload: so little happened that nothing is shown by it\n");
    return false;
  }
  if (search.count >= kEnoughToJudge && failures == 0 && !every_arm_occurred(sum, search.count)) return false;
  return failures == 0;
}

}  // namespace softndk::workload
