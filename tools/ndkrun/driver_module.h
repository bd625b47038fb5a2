#pragma once
// A driver as a shared object: what it is called, where it begins.
#include <string>

#include <softndk/softndk.h>

#include "tools/common/failure.h"

namespace softndk::tools {

struct DriverModule {
  std::string path;
  std::string name;  ///< "sample" of "out/sample.so": its registry key and \Driver\ name
  softndk_driver_entry entry = nullptr;
  /// It calls softndk_driver_done() itself.
  bool says_when_done = false;
  softndk_driver* loaded = nullptr;
};

/// The file, before anything runs. Failures are usage.
Result<DriverModule> find_driver(const std::string& path);
/// Loads the object into the process, which runs its constructors, and finds DriverEntry, or GsDriverEntry, or the
/// name that C++ makes of DriverEntry where it is not extern "C".
Result<void> open_driver(DriverModule& driver);

}  // namespace softndk::tools
