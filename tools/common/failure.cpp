#include "tools/common/failure.h"

#include <fmt/format.h>
#include <ntstatus.h>
#include <softndk/softndk.h>

#include <utility>

namespace softndk::tools {

std::string status_text(NTSTATUS status) {
  return fmt::format("{} (0x{:08X})", softndk_status_name(status), static_cast<std::uint32_t>(status));
}

std::string Failure::text() const {
  std::string text = call;
  if (!object.empty()) text += (text.empty() ? "" : " on ") + object;
  if (status) text += fmt::format("{}returned {}", text.empty() ? "" : " ", status_text(*status));
  if (!reason.empty()) text += (text.empty() ? "" : ": ") + reason;
  if (!rule.empty()) text += fmt::format(" [{}]", rule);
  return text;
}

nlohmann::ordered_json Failure::json() const {
  nlohmann::ordered_json json;
  json["call"] = call;
  if (status) {
    json["status"] = fmt::format("0x{:08X}", static_cast<std::uint32_t>(*status));
    json["status_name"] = softndk_status_name(*status);
  } else {
    json["status"] = nullptr;
    json["status_name"] = nullptr;
  }
  json["object"] = object;
  json["rule"] = rule;
  json["text"] = text();
  return json;
}

Failure provider_failure(std::string call, NTSTATUS status, std::string object, std::string rule) {
  Failure failure;
  failure.exit_code = status == STATUS_IO_TIMEOUT ? ExitCode::timed_out : ExitCode::failed;
  failure.call = std::move(call);
  failure.status = status;
  failure.object = std::move(object);
  failure.rule = std::move(rule);
  return failure;
}

Failure limit_passed(std::string call, std::string object, double limit_s) {
  Failure failure;
  failure.exit_code = ExitCode::timed_out;
  failure.call = std::move(call);
  failure.object = std::move(object);
  failure.reason = fmt::format("no answer within {:g} s, the limit given with -W", limit_s);
  return failure;
}

Failure test_failure(std::string reason, std::string object, std::string rule) {
  Failure failure;
  failure.object = std::move(object);
  failure.reason = std::move(reason);
  failure.rule = std::move(rule);
  return failure;
}

}  // namespace softndk::tools
