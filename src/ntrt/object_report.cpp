// The object tree as text.
#include <algorithm>
#include <cstdio>

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/driver.h"
#include "ntrt/object_tree.h"

namespace softndk::ntrt {
namespace {
constexpr int kLineBytes = 1000;  // the log's room
}  // namespace

void write_stack(const LineSink& sink, const CallStack& stack, int indent) noexcept {
  // What matters are the consumer's frames, from where it called us to where we had called it: what lies before is
  // ours, and what lies behind its host's. In a program that the library is linked into statically nothing tells them
  // apart.
  const void* const us = code_module(reinterpret_cast<const void*>(&write_stack));
  bool all_ours = true;
  for (unsigned i = 0; i < stack.count; ++i)
    all_ours = all_ours && code_module(stack.frames[i]) == us;
  bool begun = false;
  for (unsigned i = 0; i < stack.count; ++i) {
    const bool ours = !all_ours && code_module(stack.frames[i]) == us;
    if (ours && begun) break;
    if (ours) continue;
    begun = true;
    char place[256];
    describe_code_address(stack.frames[i], place, sizeof place);
    char line[kLineBytes];
    std::snprintf(line, sizeof line, "%*sat %s", indent, "", place);
    sink.write(sink.context, line);
  }
}

namespace {

/// "qp 0x5581...: 3 posted; held by 1 successor; created by x+0x12 (driver.so), 4.1 s ago"
void write_record(const LineSink& sink, const NodeRecord& record) {
  const int indent = 2 * static_cast<int>(record.depth);
  char object[24] = "";
  if (record.object != nullptr) std::snprintf(object, sizeof object, " %p", record.object);
  char addresses[160] = "";
  if (record.text.local && record.text.peer) {
    std::snprintf(addresses, sizeof addresses, ", %s -> %s", AddressText(*record.text.local).text,
                  AddressText(*record.text.peer).text);
  } else if (record.text.local) {
    std::snprintf(addresses, sizeof addresses, ", on %s", AddressText(*record.text.local).text);
  }
  char creator[320] = "";
  if (record.created_by != nullptr) {
    char place[200];
    describe_code_address(record.created_by, place, sizeof place);
    std::snprintf(creator, sizeof creator, "; created by %s, %s ago", place, DurationText(record.age_ns).text);
  }
  char line[kLineBytes];
  std::snprintf(line, sizeof line, "%*s%s%s: %s%s%s", indent, "", record.kind, object, record.text.state, addresses,
                creator);
  sink.write(sink.context, line);
  if (record.stack != nullptr) write_stack(sink, *record.stack, indent + 6);
}

}  // namespace

LineSink sink_to_descriptor(int& fd) noexcept {
  return {&fd, [](void* context, const char* line) noexcept { dprintf(*static_cast<int*>(context), "%s\n", line); }};
}

LineSink sink_to_log() noexcept {
  return {nullptr, [](void*, const char* line) noexcept { log(LogLevel::error, "  %s", line); }};
}

std::size_t report_objects(const LineSink& sink, const ReportFilter& filter) noexcept {
  const void* const module = filter.created_by == nullptr ? nullptr : code_module(filter.created_by);
  std::size_t count = 0;
  constexpr unsigned kDepthMax = 8;
  bool shown[kDepthMax] = {};  // of the object at each depth above, and of the one met last at each below
  bool shown_root = false;     // the root above is one that the filter wants
  TreeWalk walk;
  NodeRecord record;
  while (walk.next(record)) {
    if (filter.on_interface != 0 && record.text.interface_index != filter.on_interface) continue;
    if (record.depth == 0) {
      shown_root = filter.under == nullptr || record.provider_object == filter.under || record.object == filter.under;
    }
    const unsigned depth = std::min(record.depth, kDepthMax - 1);
    // A request, and what an event brought, goes with the object that it is under.
    const bool has_creator = record.created_by != nullptr || depth == 0;
    shown[depth] = has_creator ? module == nullptr || code_module(record.created_by) == module : shown[depth - 1];
    if (!shown_root || !shown[depth]) continue;
    const bool is_request = record.object == nullptr;
    if (module != nullptr && record.text.is_going) continue;
    write_record(sink, record);
    if (!is_request) ++count;
  }
  return count;
}

}  // namespace softndk::ntrt
