#pragma once
// The documents of this host's running processes: who offers one, and what it says (docs/notes/0007).
#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace softndk::tools {

struct ProcessDocument {
  int pid = 0;       ///< by the kernel's word, not the process's
  std::string name;  ///< /proc/PID/comm
  nlohmann::ordered_json document;
};

struct ProcessSurvey {
  std::vector<ProcessDocument> processes;  ///< by pid
  std::vector<std::string> silent;         ///< offered one and did not give it in time, or not a whole one
};

/// Reads all at once, each within `patience`. Where processes look: the abstract names of this network namespace, and
/// the sockets in `directory` if it is not empty; files there whose process is dead are removed. Whatever another
/// user's process offers is not read, unless we are root.
ProcessSurvey survey_processes(const std::string& directory, std::chrono::milliseconds patience);

}  // namespace softndk::tools
