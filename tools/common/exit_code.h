#pragma once

namespace softndk::tools {

/// What scripts may rely on; the same numbers in every tool.
enum class ExitCode : int { passed = 0, failed = 1, usage = 2, timed_out = 3, no_adapter = 4 };

}  // namespace softndk::tools
