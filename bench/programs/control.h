#pragma once
// What server and client of one program say to each other beside the load: lines of JSON on a connection of its own.
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "programs/tcp_socket.h"

namespace softndk::bench {

class Control {
 public:
  explicit Control(Socket socket) : socket_(std::move(socket)) {}
  void say(const nlohmann::json& line) const;
  /// nullopt: the peer has left.
  std::optional<nlohmann::json> hear();
  /// Ends the program where the peer has left.
  nlohmann::json answer();

 private:
  Socket socket_;
  std::string pending_;
};

/// What a process has used since it was made.
class Usage {
 public:
  Usage();
  /// User and system, all threads.
  double cpu_s() const;

 private:
  double before_s_;
};

/// Resident memory of this process now.
std::uint64_t resident_kib();

}  // namespace softndk::bench
