#pragma once
// Many seeds in processes of their own: a run that breaks a rule, crashes or hangs ends its process, not the search.
#include <cstdint>
#include <string>

namespace softndk::workload {

struct Search {
  std::uint64_t first = 1;
  std::uint64_t count = 0;
  unsigned jobs = 1;
  unsigned failures_max = 1;  ///< where the search ends
  bool shrinks = true;
  std::string program;  ///< for the command that replays
};

/// Runs the seeds; says which failed, how to replay each, and what of its plan is needed for that. True: none failed.
bool search(const Search& search);

/// Runs one plan in a process of its own. `says` false: what it prints is dropped. Returns its exit code, or 128 and
/// the signal that ended it.
int run_apart(std::uint64_t seed, const std::string& cuts, bool says);

}  // namespace softndk::workload
