#include "ntrt/code_address.h"

#include <dlfcn.h>
#ifdef SOFTNDK_HAS_LIBDWFL
#include <cxxabi.h>
#include <elfutils/libdwfl.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/thread_safety.h"

namespace softndk::ntrt {
namespace {

const char* last_part(const char* path) noexcept {
  const char* slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

#ifdef SOFTNDK_HAS_LIBDWFL

/// elfutils' libdwfl, which knows static functions and lines. Loaded when the first report wants it, so that a program
/// that has nothing to report does not carry it (and what it links) about; if it is not there we do without.
class DebugInfo {
 public:
  /// False: nothing is known of that address. What is read is given back: a session keeps files open, and drivers come
  /// and go.
  bool describe(const void* address, const char* module_name, char* to, std::size_t size_bytes) noexcept
      SOFTNDK_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (!load()) return false;
    Dwfl* session = begin_(&callbacks_);
    if (session == nullptr) return false;
    report_begin_(session);
    const bool known = proc_report_(session, getpid()) == 0 && report_end_(session, nullptr, nullptr) == 0 &&
                       describe_in(session, address, module_name, to, size_bytes);
    end_(session);
    return known;
  }

 private:
  bool describe_in(Dwfl* session, const void* address, const char* module_name, char* to,
                   std::size_t size_bytes) noexcept SOFTNDK_REQUIRES(mutex_) {
    const auto code = reinterpret_cast<Dwarf_Addr>(address);
    Dwfl_Module* module = addrmodule_(session, code);
    if (module == nullptr) return false;
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char* name = addrinfo_(module, code, &offset, &symbol, nullptr, nullptr, nullptr);
    if (name == nullptr) return false;
    // A return address belongs to the line of the call before it, which may be the function's last.
    Dwfl_Line* line = getsrc_(module, offset == 0 ? code : code - 1);
    int number = 0;
    const char* file = line == nullptr ? nullptr : lineinfo_(line, nullptr, &number, nullptr, nullptr, nullptr);
    char* demangled = abi::__cxa_demangle(name, nullptr, nullptr, nullptr);
    if (demangled != nullptr) name = demangled;
    const auto distance = static_cast<std::size_t>(offset);
    if (file != nullptr) {
      std::snprintf(to, size_bytes, "%s+0x%zx (%s:%d)", name, distance, last_part(file), number);
    } else {
      std::snprintf(to, size_bytes, "%s+0x%zx (%s)", name, distance, module_name);
    }
    std::free(demangled);
    return true;
  }
  bool load() noexcept SOFTNDK_REQUIRES(mutex_) {
    if (tried_) return begin_ != nullptr;
    tried_ = true;
    void* library = dlopen("libdw.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) return false;
    const bool found =
        find(library, "dwfl_report_begin", report_begin_) && find(library, "dwfl_linux_proc_report", proc_report_) &&
        find(library, "dwfl_report_end", report_end_) && find(library, "dwfl_addrmodule", addrmodule_) &&
        find(library, "dwfl_module_addrinfo", addrinfo_) && find(library, "dwfl_module_getsrc", getsrc_) &&
        find(library, "dwfl_lineinfo", lineinfo_) && find(library, "dwfl_end", end_) &&
        find(library, "dwfl_linux_proc_find_elf", callbacks_.find_elf);
    // Only what is in the files themselves: the standard search may ask a server.
    callbacks_.find_debuginfo = [](Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word,
                                   char**) { return -1; };
    return found && find(library, "dwfl_begin", begin_);
  }
  template <class Function>
  static bool find(void* library, const char* name, Function& to) noexcept {
    to = reinterpret_cast<Function>(dlsym(library, name));
    return to != nullptr;
  }

  Mutex mutex_;
  bool tried_ SOFTNDK_GUARDED_BY(mutex_) = false;
  Dwfl_Callbacks callbacks_ SOFTNDK_GUARDED_BY(mutex_) = {};
  decltype(&dwfl_begin) begin_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_end) end_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_report_begin) report_begin_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_linux_proc_report) proc_report_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_report_end) report_end_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_addrmodule) addrmodule_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_module_addrinfo) addrinfo_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_module_getsrc) getsrc_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  decltype(&dwfl_lineinfo) lineinfo_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
};
constinit DebugInfo g_debug_info;

bool describe_by_debug_info(const void* address, const char* module_name, char* to, std::size_t size_bytes) noexcept {
  return g_debug_info.describe(address, module_name, to, size_bytes);
}

#else

bool describe_by_debug_info(const void*, const char*, char*, std::size_t) noexcept {
  return false;
}

#endif

}  // namespace

void describe_code_address(const void* address, char* to, std::size_t size_bytes) noexcept {
  Dl_info found{};
  if (address == nullptr) {
    std::snprintf(to, size_bytes, "unknown");
  } else if (dladdr(address, &found) == 0 || found.dli_fname == nullptr) {
    std::snprintf(to, size_bytes, "%p", address);
  } else if (describe_by_debug_info(address, last_part(found.dli_fname), to, size_bytes)) {
    return;
  } else if (found.dli_sname == nullptr) {
    std::snprintf(to, size_bytes, "%s+0x%zx", last_part(found.dli_fname),
                  static_cast<std::size_t>(static_cast<const char*>(address) - static_cast<char*>(found.dli_fbase)));
  } else {
    std::snprintf(to, size_bytes, "%s+0x%zx (%s)", found.dli_sname,
                  static_cast<std::size_t>(static_cast<const char*>(address) - static_cast<char*>(found.dli_saddr)),
                  last_part(found.dli_fname));
  }
}

const void* code_module(const void* address) noexcept {
  Dl_info found{};
  return address != nullptr && dladdr(address, &found) != 0 ? found.dli_fbase : nullptr;
}

}  // namespace softndk::ntrt
