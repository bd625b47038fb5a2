#pragma once
// What all views are made of: the adapters that this host has by the settings of the environment, and what its running
// processes say.
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/failure.h"
#include "tools/ndkstat/process_reader.h"

namespace softndk::tools {

using Json = nlohmann::ordered_json;

/// Members of a document that may be another version's, or nonsense: absent and of the wrong type are both the default.
std::uint64_t number_in(const Json& object, std::string_view key);
bool truth_in(const Json& object, std::string_view key);
/// Without octets that a terminal would obey.
std::string text_in(const Json& object, std::string_view key);
/// An empty array where there is none.
const Json& list_in(const Json& object, std::string_view key);
const Json& object_in(const Json& object, std::string_view key);
std::string printable(std::string_view text);

struct HostOptions {
  int pid = 0;            ///< 0: all processes
  std::string interface;  ///< index or name; empty: all
  std::string directory;  ///< where to look besides; empty: nowhere
  bool needs_adapters = true;
};

struct HostView {
  Json adapters;  ///< as this environment's settings make them; with a pid, as that process has them; if needed
  ProcessSurvey processes;  ///< with a pid, that one only
  /// Of every process, those adapters that are wanted: calls `visit(process, adapter)`.
  template <class Visit>
  void for_each_adapter(Visit visit) const {
    for (const ProcessDocument& process : processes.processes) {
      for (const Json& adapter : list_in(process.document, "adapters"))
        if (is_wanted(adapter)) visit(process, adapter);
    }
  }
  bool is_wanted(const Json& adapter) const;
  std::string interface;
};

/// Failures: no_adapter where the interface is not there or there is none at all; failed where process `pid` says
/// nothing.
Result<HostView> look_at_host(const HostOptions& options);

/// What every JSON document begins with.
Json json_head(const char* view);

}  // namespace softndk::tools
