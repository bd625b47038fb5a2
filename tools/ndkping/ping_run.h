#pragma once
// A whole run of ndkping, from understood options to the exit code.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tools/common/common_options.h"

namespace softndk::tools {

struct PingOptions {
  std::optional<std::size_t> size_bytes;  ///< each transfer, and the server's buffer; absent: a sweep up to 1 MiB
  std::optional<std::uint64_t> count;     ///< transfers of each test
};

/// `program` begins the last line: "NDKPing". Test types: those of kPingTests, and all.
ExitCode run_ping(const char* program, const char* tool, const CommonOptions& common, const PingOptions& options);

}  // namespace softndk::tools
