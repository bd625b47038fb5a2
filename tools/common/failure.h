#pragma once
// Why a tool ends without success, in words that a script's log can be searched for.
#include <optional>
#include <string>

#include <ntdef.h>
#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "tools/common/exit_code.h"

namespace softndk::tools {

struct Failure {
  ExitCode exit_code = ExitCode::failed;
  std::string call;                ///< "NdkConnect"; empty where no call of the interface is to blame
  std::optional<NTSTATUS> status;  ///< the provider's. Never set for a limit of our own (-W)
  std::string object;              ///< "connector 10.0.0.2 -> 10.0.0.1:9000"
  std::string rule;                ///< "R-CNCT-04", where one explains the status
  std::string reason;              ///< one clause for the reader

  std::string text() const;
  nlohmann::ordered_json json() const;
};

template <class T>
using Result = tl::expected<T, Failure>;

/// What the provider answered. A timeout it reports counts as one for the exit code too.
Failure provider_failure(std::string call, NTSTATUS status, std::string object, std::string rule = {});
/// Our own limit passed while `call` was waited for; the provider has answered nothing.
Failure limit_passed(std::string call, std::string object, double limit_s);
/// The test itself: wrong bytes, a wrong message, a peer that left.
Failure test_failure(std::string reason, std::string object = {}, std::string rule = {});

/// "STATUS_CONNECTION_REFUSED (0xC0000236)".
std::string status_text(NTSTATUS status);

}  // namespace softndk::tools
