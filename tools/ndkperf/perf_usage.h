#pragma once
// What this process has used of its host.
#include <cstdint>

namespace softndk::tools {

/// Processor time since the start of the process: user and system, all threads.
std::uint64_t cpu_ns();
/// Memory that is in RAM now; 0 where the host does not say.
std::uint64_t resident_kib();
/// Since it was `before_kib`; 0 where it has shrunk.
inline std::uint64_t grown_kib(std::uint64_t before_kib) {
  const std::uint64_t now_kib = resident_kib();
  return now_kib > before_kib ? now_kib - before_kib : 0;
}
/// As many descriptors as the host lets this process have: each connection takes one.
void raise_descriptor_limit();

}  // namespace softndk::tools
