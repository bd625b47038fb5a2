#pragma once
// A process that hosts the runtime and a consumer on it, which does what it is told on one pipe and says what it did on
// another.
//
//   told       go PORT    connect there, or accept; all workers
//              quiet      finish what is under way and give everything back
//              quit       and end; the exit code says whether everything was right
//   says       port N     (listening side) once
//              beat       every now and then
//              quiet k=v  when everything has been given back
//              wrong ...  something that may not be
//              hung ...   a worker that has been in one step for too long
#include <cstdint>

namespace softndk::soak {

enum class Role : std::uint8_t { connects, listens };
inline constexpr const char* kRoleNames[] = {"connects", "listens"};

struct PeerOptions {
  Role role = Role::connects;
  std::uint64_t seed = 1;
  int commands = -1;
  int reports = -1;
};
/// The exit code.
int run_peer(const PeerOptions& options);

}  // namespace softndk::soak
