#pragma once
// What a run says when a rule is broken. The first finding ends the process: what follows would be its consequences.
#include <cstdint>
#include <cstdio>

namespace softndk::sim {
class World;
}

namespace softndk::workload {

enum ExitCode : int { kPassed = 0, kUsage = 2, kFailed = 3 };

/// The run that is going on in this process, and where its trace goes when it fails; null: none.
void set_current_run(const sim::World* world, std::FILE* trace) noexcept;

/// Says `format` with the seed and the virtual time, and ends the process with kFailed (or stands still in abort() when
/// SOFTNDK_WORKLOAD_ABORT is set, for a debugger).
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// "STATUS_CONNECTION_REFUSED (0xC0000236)".
const char* name_of(int status);

}  // namespace softndk::workload
