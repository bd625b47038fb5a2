#pragma once
// A crash of a driver stays a crash: signal and core are the driver's. One line before it says how to look at it.
#include <string>

namespace softndk::tools {

/// From now on. `command` is what starts a debugger on the same run.
void note_crashes(std::string command);

}  // namespace softndk::tools
