#pragma once
// What the raw TCP program is asked to do. The client sends it to the server; both act on the same plan.
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "programs/control.h"

namespace softndk::bench {

/// kind       | client                                         | server
/// -----------+------------------------------------------------+------------------------------------------
/// pingpong   | sends `size_bytes`, waits for as many          | echoes: receives all of a message, sends one
/// fetch      | sends 28 octets (a Read Request's), waits      | answers each with `size_bytes`
/// stream     | sends messages, one send() each                | receives what there is
/// connect    | connects and closes                            | accepts and closes
/// exchange   | connects, 20 octets each way (MPA), closes     | the same
/// idle       | holds `connections`                            | the same
struct RawPlan {
  std::string kind = "pingpong";
  std::size_t size_bytes = 64;
  std::string wait = "spin";  ///< spin, block
  double duration_s = 0.3;
  std::uint64_t iterations = 0;      ///< 0: as duration_s says; connect, exchange: how many
  std::uint32_t connections = 1;     ///< connect, exchange: so many at a time
  std::size_t offset_bytes = 0;      ///< of the buffers within their pages
  std::size_t receive_bytes = 0;     ///< stream: most for one recv; 0: what measured best for the size
  std::string congestion = "cubic";  ///< empty: the system's

  Wait waiting() const { return wait == "spin" ? Wait::spin : Wait::block; }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RawPlan, kind, size_bytes, wait, duration_s, iterations, connections, offset_bytes,
                                   receive_bytes, congestion)

inline constexpr std::size_t kFetchBytes = 28;
inline constexpr std::size_t kExchangeBytes = 20;

/// One round on each side. The client returns what it prints, the server what it tells the client at the end.
nlohmann::json run_load_client(const RawPlan& plan, const std::string& address, std::uint16_t port, Control& control);
nlohmann::json run_load_server(const RawPlan& plan, const Socket& listener, Control& control);
nlohmann::json run_setup_client(const RawPlan& plan, const std::string& address, std::uint16_t port, Control& control);
nlohmann::json run_setup_server(const RawPlan& plan, const Socket& listener);

}  // namespace softndk::bench
