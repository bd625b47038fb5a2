#include "net/world.h"

#include <algorithm>

#include "net/sys.h"

namespace softndk::net {

World::World(const Options& options) noexcept
    : network_(options.same_host_congestion), executor_(clock_, sys::usable_cpus() > 1 ? options.spin_ns : 0) {}

World::~World() = default;

expected<Owned<World>, io::IoError> World::create(const Options& options) noexcept {
  auto world = try_make<World>(options);
  if (world == nullptr) return unexpected(io::IoError::no_resources);
  unsigned count = options.processors != 0 ? options.processors : std::min(sys::usable_cpus() / 2, 4u);
  count = std::clamp(count, 1u, Executor::kProcessorsMax);
  if (auto started = world->executor_.start_processors(count); !started) return unexpected(started.error());
  return world;
}

}  // namespace softndk::net
