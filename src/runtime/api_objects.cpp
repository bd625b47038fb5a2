// The live objects, for include/softndk/softndk.h.
#include <cstdio>

#include "ntrt/bug_check.h"
#include "ntrt/driver.h"
#include "ntrt/object_tree.h"
#include "softndk/softndk.h"

using namespace softndk;

extern "C" {

size_t softndk_visit_objects(softndk_object_visitor visit, void* context) {
  if (visit == nullptr) return 0;
  std::size_t count = 0;
  ntrt::TreeWalk walk;
  ntrt::NodeRecord record;
  while (walk.next(record)) {
    char local[sizeof AddressText::text] = "";
    char peer[sizeof AddressText::text] = "";
    if (record.text.local) std::snprintf(local, sizeof local, "%s", AddressText(*record.text.local).text);
    if (record.text.peer) std::snprintf(peer, sizeof peer, "%s", AddressText(*record.text.peer).text);
    const ntrt::DriverName driver(record.created_by);
    softndk_object object = {};
    object.id = record.id;
    object.parent = record.parent;
    object.depth = record.depth;
    object.interface_index = record.text.interface_index;
    object.type = record.kind;
    object.object = record.object;
    object.state = record.text.state;
    object.local = local;
    object.peer = peer;
    object.age_ns = record.age_ns;
    object.driver = driver.text;
    object.created_by = record.created_by;
    if (record.stack != nullptr) {
      object.stack = record.stack->frames;
      object.stack_frames = record.stack->count;
    }
    if (record.object != nullptr) ++count;
    visit(context, &object);
  }
  return count;
}

size_t softndk_report_objects(int fd) {
  return ntrt::report_objects(ntrt::sink_to_descriptor(fd));
}

void softndk_describe_address(const void* address, char* text, size_t bytes) {
  if (text != nullptr && bytes != 0) ntrt::describe_code_address(address, text, bytes);
}

}  // extern "C"
