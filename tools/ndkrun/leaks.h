#pragma once
// What drivers left behind, and what they wait for.
#include <cstdint>

namespace softndk::tools {

/// Writes what is open still to stderr, as a tree; returns how many objects that are.
std::uint64_t report_leaks();
/// For a call that does not return: what is open and what every thread waits for.
void report_waits();

}  // namespace softndk::tools
