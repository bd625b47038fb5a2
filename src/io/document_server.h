#pragma once
// A document about this process for readers on this host: whoever connects gets it as it is then, and the connection
// ends. No question is read, so no reader can say anything wrong.
#include "base/array.h"
#include "base/expected.h"
#include "io/error.h"

namespace softndk::io {

/// Who writes the document. Called on the server's processor thread, so nothing here may block.
class DocumentSource {
 public:
  /// Somebody waits. DocumentServer::answer() follows, from whatever thread may take the time; until then this is not
  /// called again.
  virtual void on_readers() noexcept = 0;
  /// The last event, after close(): the server may be destroyed inside it.
  virtual void on_server_closed() noexcept = 0;

 protected:
  ~DocumentSource() = default;
};

class DocumentServer {
 public:
  virtual ~DocumentServer() = default;
  /// Readers are served from now on. Once, before anything else.
  virtual expected<void, IoError> start() noexcept = 0;
  /// For those who waited when on_readers() was called; an empty one: they get nothing. Any thread, before close().
  virtual void answer(Array<char> document) noexcept = 0;
  /// Readers are cut off; on_server_closed() follows. Once, after start() has succeeded, when every on_readers() has
  /// its answer; any thread.
  virtual void close() noexcept = 0;
};

}  // namespace softndk::io
