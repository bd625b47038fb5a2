#include "iwarp/rtr.h"

#include "base/log.h"

namespace softndk::iwarp {

void append_rtr(Rtr rtr, TxSequence& sequence, TxFramer& framer, GatherList& out) noexcept {
  constexpr Stag kStag = 1;
  TxMessage message;
  switch (rtr) {
    case Rtr::none:
      SOFTNDK_UNREACHABLE();
    case Rtr::read:
      return framer.append_read_request({kStag, 0, 0, kStag, 0}, sequence.take(Queue::read_request), out);
    case Rtr::write:
      message = {Opcode::write, 0, kStag, 0, 0};
      break;
    case Rtr::send:
      message = {Opcode::send, 0, 0, 0, sequence.take(Queue::send)};
      break;
  }
  framer.begin(message, 0, kMulpduMin, out);
  framer.finish(out);
}

}  // namespace softndk::iwarp
