#include "workload/tally.h"

namespace softndk::workload {

Tally& Tally::operator+=(const Tally& other) {
  steps += other.steps;
  connections += other.connections;
  requests += other.requests;
  cancelled += other.cancelled;
  closes_pending += other.closes_pending;
  for (std::size_t i = 0; i < kArms; ++i)
    arms[i] += other.arms[i];
  return *this;
}

const char* name_of(Arm arm) {
  switch (arm) {  // no default: a new one makes the compiler point here
    case Arm::mapping:
      return "mappings";
    case Arm::logical_source:
      return "logical sources";
    case Arm::logical_sink:
      return "logical sinks";
    case Arm::fast_register:
      return "fast registrations";
    case Arm::register_again:
      return "re-registrations";
    case Arm::fast_source:
      return "fast sources";
    case Arm::fast_sink:
      return "fast sinks";
    case Arm::invalidate:
      return "invalidations";
    case Arm::read_invalidate:
      return "Reads that invalidate";
    case Arm::bind:
      return "binds";
    case Arm::bind_again:
      return "rebinds";
    case Arm::remote_region:
      return "regions taken by a peer";
    case Arm::remote_window:
      return "windows taken by a peer";
    case Arm::lease_transfer:
      return "transfers through leases";
    case Arm::srq_receive:
      return "shared receives";
    case Arm::srq_notification:
      return "shared queues that ran low";
    case Arm::srq_modify:
      return "shared queues modified";
    case Arm::solicited_arm:
      return "solicited arms";
    case Arm::solicited_event:
      return "solicited events";
    case Arm::unsolicited_message:
      return "unsolicited messages";
  }
  return "";
}

}  // namespace softndk::workload
