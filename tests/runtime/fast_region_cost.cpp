// What fast-register regions cost: `fast_region_cost [COUNT [PAGES]]` makes so many, registers each once on a
// connection and invalidates it, and prints time and resident memory. docs/notes/0005 has a run.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "cycles/process_usage.h"
#include "fast_region.h"
#include "stage.h"

namespace softndk::stack {
namespace {

class Meter {
 public:
  explicit Meter(std::size_t count) : count_(count) { restart(); }
  void restart() {
    resident_ = ProcessUsage::now().resident_bytes;
    began_ = std::chrono::steady_clock::now();
  }
  void report(const char* what) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
    const auto grown = static_cast<double>(ProcessUsage::now().resident_bytes) - static_cast<double>(resident_);
    const auto count = static_cast<double>(count_);
    std::printf("%-24s %8.3f s  %8.0f ns each  %+9.1f MiB  %+7.0f octets each\n", what, took.count(),
                took.count() * 1e9 / count, grown / 1048576, grown / count);
    restart();
  }

 private:
  std::size_t count_;
  std::size_t resident_ = 0;
  std::chrono::steady_clock::time_point began_;
};

int measure(std::size_t count, ULONG pages) {
  auto world = net::World::create();
  if (!world) return 1;
  Stage stage((*world)->view(), setting_values("default", {}));
  {
    Pair pair(stage);
    if (!pair.establish()) return 1;
    Side& side = pair.passive;
    Memory memory(std::size_t{pages} * PAGE_SIZE);
    Lam lam(*stage.adapter, memory);
    // The list in an order in which no two are neighbours.
    std::vector<NDK_LOGICAL_ADDRESS> scattered;
    for (ULONG i = 0; i < pages; ++i)
      scattered.push_back(lam.pages()[pages - 1 - i]);
    std::vector<FastRegion> regions;
    regions.reserve(count);
    const ULONG kQuiet = NDK_OP_FLAG_SILENT_SUCCESS;
    const auto cycle = [&](const NDK_LOGICAL_ADDRESS* list) {
      for (const FastRegion& region : regions) {
        if (region.enlist(side, list, pages, 0, memory.bytes, 0x5000, kFastAll | kQuiet) != STATUS_SUCCESS ||
            region.invalidate(side, kQuiet) != STATUS_SUCCESS)
          std::abort();
      }
    };
    Meter meter(count);
    for (std::size_t i = 0; i < count; ++i)
      regions.emplace_back(side.pd.get());
    meter.report("create");
    for (FastRegion& region : regions)
      static_cast<void>(region.initialize(pages));
    meter.report("initialize");
    cycle(lam.pages());
    meter.report("register and invalidate");
    cycle(scattered.data());
    meter.report("the same, scattered");
    regions.clear();
    meter.report("close");
    for (int socket = 0; socket < 2; ++socket) {
      Meter few(512);
      for (std::size_t i = 0; i < 512; ++i)
        regions.emplace_back(side.pd.get(), ULONG{512});
      few.report("512 regions of 512 pages");
      regions.clear();
    }
  }
  stage.adapter.reset();
  stage.runtime.reset();
  return testing::Test::HasFailure() ? 1 : 0;
}

}  // namespace
}  // namespace softndk::stack

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
  const auto pages = static_cast<ULONG>(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 16);
  return softndk::stack::measure(count, pages);
}
