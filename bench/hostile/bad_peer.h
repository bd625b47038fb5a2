#pragma once
// A process that connects as any peer does and then misbehaves, by plain sockets.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace softndk::hostile {

enum class Manner : unsigned {
  stops_reading,    ///< sends and sends, and never takes an answer
  reads_one_octet,  ///< the same, but it takes an octet now and then
  floods,           ///< sends as fast as it can, and throws the answers away
  half_open,        ///< opens connections and says nothing
};
constexpr const char* kMannerNames[] = {"stops reading", "reads one octet at a time", "floods",
                                        "opens and says nothing"};
constexpr unsigned kManners = 4;

class BadPeer {
 public:
  /// Connects to 127.0.0.1 and misbehaves until it goes; when this returns it has begun. Not ok(): it could not.
  BadPeer(Manner manner, std::uint16_t port);
  ~BadPeer();
  BadPeer(const BadPeer&) = delete;
  BadPeer& operator=(const BadPeer&) = delete;
  bool ok() const { return ok_; }

 private:
  pid_t pid_ = -1;
  bool ok_ = false;
};

}  // namespace softndk::hostile
