#include "tools/ndkrun/driver_module.h"

#include <dlfcn.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace softndk::tools {

Result<DriverModule> find_driver(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path real = fs::canonical(path, error);  // dlopen searches for what has no slash
  std::ifstream file(real, std::ios::binary);
  if (error || !fs::is_regular_file(real) || !file) {
    Failure failure = test_failure(error ? error.message() : "cannot be read", path);
    failure.exit_code = ExitCode::usage;
    return tl::unexpected(failure);
  }
  DriverModule driver;
  driver.path = real;
  driver.name = fs::path(path).stem();
  if (driver.name.starts_with("lib")) driver.name.erase(0, 3);
  const std::string octets((std::istreambuf_iterator<char>(file)), {});
  driver.says_when_done = octets.find("softndk_driver_done") != std::string::npos;
  return driver;
}

Result<void> open_driver(DriverModule& driver) {
  void* const object = dlopen(driver.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) return tl::unexpected(test_failure(dlerror(), driver.name));
  for (const char* const symbol :
       {"DriverEntry", "GsDriverEntry", "_Z11DriverEntryP14_DRIVER_OBJECTP15_UNICODE_STRING"}) {
    driver.entry = reinterpret_cast<softndk_driver_entry>(dlsym(object, symbol));
    if (driver.entry != nullptr) return {};
  }
  return tl::unexpected(test_failure("it has neither DriverEntry nor GsDriverEntry", driver.path));
}

}  // namespace softndk::tools
