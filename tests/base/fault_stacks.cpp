#include "base/fault_stacks.h"

#include <execinfo.h>
#include <link.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/alloc.h"
#include "sim/sanitizer.h"

namespace softndk::test {
namespace {

struct Module {
  std::uintptr_t begin, end, base;
  std::uint64_t name;
};

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}
std::uint64_t hash_of(const char* text) {
  std::uint64_t hash = 1;
  for (; *text != '\0'; ++text)
    hash = mix(hash, static_cast<unsigned char>(*text));
  return hash;
}

int add_module(dl_phdr_info* info, std::size_t, void* to) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    const char* slash = std::strrchr(info->dlpi_name, '/');
    static_cast<std::vector<Module>*>(to)->push_back(
        {begin, begin + header.p_memsz, info->dlpi_addr, hash_of(slash != nullptr ? slash + 1 : info->dlpi_name)});
  }
  return 0;
}
const std::vector<Module>& modules() {
  static const std::vector<Module> all = [] {
    std::vector<Module> found;
    dl_iterate_phdr(&add_module, &found);
    return found;
  }();
  return all;
}

/// What identifies a code address: its module and its offset in it.
std::uint64_t place_of(void* frame) {
  const auto address = reinterpret_cast<std::uintptr_t>(frame);
  for (const Module& module : modules()) {
    if (address >= module.begin && address < module.end) return module.name ^ (address - module.base);
  }
  return 0;
}

const FaultStacks* g_armed = nullptr;
void (*g_describe)(const FaultStacks&) = nullptr;

void on_abort(int signal) {
  if (g_armed != nullptr) g_describe(*g_armed);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

const unsigned FaultStacks::kOneOfManyWhenSlow = SOFTNDK_ASAN || SOFTNDK_TSAN ? 4 : 1;

FaultStacks::FaultStacks(Shortage shortage) : shortage_(shortage) {
  if (const char* wanted = std::getenv("SOFTNDK_FAIL_STACK")) only_ = std::strtoull(wanted, nullptr, 16);
  list_ = std::getenv("SOFTNDK_LIST_STACKS") != nullptr;
  void* first[1];
  backtrace(first, 1);  // loads the unwinder
  modules();
  g_describe = [](const FaultStacks& stacks) { stacks.describe(STDERR_FILENO); };
}

FaultStacks::~FaultStacks() {
  g_armed = nullptr;
}

bool FaultStacks::next_run() {
  if (testing::Test::HasFailure()) {
    if (failed_now()) describe(STDERR_FILENO);
    return false;
  }
  quiet_ = runs_ == 0 || failed_now() ? 0 : quiet_ + 1;
  if (quiet_ == quiet_runs || (only_ != 0 && failed_now())) return false;
  if (runs_ == runs_max) {
    ADD_FAILURE() << "there is no end to the stacks: " << failed() << " so far";
    return false;
  }
  ++runs_;
  failing_.depth = 0;
  return true;
}

FaultStacks::Injection::Injection(FaultStacks& stacks) {
  g_armed = &stacks;
  std::signal(SIGABRT, &on_abort);
  set_fault_hook(&FaultStacks::hook, &stacks);
}

FaultStacks::Injection::~Injection() {
  set_fault_hook(nullptr, nullptr);
}

bool FaultStacks::hook(void* self, const char* what) noexcept {
  sim::HiddenFromTsan hidden;
  return static_cast<FaultStacks*>(self)->fails(what);
}

bool FaultStacks::fails(const char* what) {
  CallStack stack;
  stack.what = what;
  stack.depth = backtrace(stack.frames, CallStack::kDepthMax);
  stack.id = hash_of(what);
  for (int i = 0; i < stack.depth; ++i)
    stack.id = mix(stack.id, place_of(stack.frames[i]));
  std::lock_guard lock(mutex_);
  met_.insert(stack.id);
  if (failed_now()) return shortage_ == Shortage::stays;
  if (only_ != 0 ? stack.id != only_ : stack.id % one_of != 0 || failed_.contains(stack.id)) return false;
  failed_.insert(stack.id);
  failing_ = stack;
  if (list_) describe_in_a_line();
  return true;
}

std::size_t FaultStacks::offset_of(int frame) const {
  // One less: the call, not what follows it.
  return reinterpret_cast<std::uintptr_t>(failing_.frames[frame]) - modules().front().base - 1;
}

void FaultStacks::describe_in_a_line() const {
  std::printf("stack %016llx %s:", static_cast<unsigned long long>(failing_.id), failing_.what);
  for (int i = 0; i < failing_.depth; ++i)
    std::printf(" 0x%zx", offset_of(i));
  std::printf("\n");
}

void FaultStacks::describe(int fd) const {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  char program[512] = "";
  static_cast<void>(readlink("/proc/self/exe", program, sizeof program - 1));
  dprintf(fd, "\nfailed call \"%s\" of stack %016llx (the %u%s run); to replay it:\n", failing_.what,
          static_cast<unsigned long long>(failing_.id), runs_, runs_ == 1 ? "st" : "th");
  dprintf(fd, "  SOFTNDK_FAIL_STACK=%016llx %s --gtest_filter=%s.%s\n", static_cast<unsigned long long>(failing_.id),
          program, test != nullptr ? test->test_suite_name() : "*", test != nullptr ? test->name() : "*");
  backtrace_symbols_fd(failing_.frames, failing_.depth, fd);
  dprintf(fd, "in words:\n  addr2line -Cfpsie %s", program);
  for (int i = 2; i < failing_.depth; ++i)
    dprintf(fd, " 0x%zx", offset_of(i));
  dprintf(fd, "\n");
}

}  // namespace softndk::test
