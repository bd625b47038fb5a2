#pragma once
#include "iwarp/mpa_handshake.h"
#include "iwarp/tx_framer.h"

namespace softndk::iwarp {

/// Appends the initiator's first message (RFC 6581 9.2): zero octets of Send, Write or Read. Takes its MSN from
/// `sequence`. The STag is 1, not 0, which some hardware treats as special. `rtr` is not none.
void append_rtr(Rtr rtr, TxSequence& sequence, TxFramer& framer, GatherList& out) noexcept;

}  // namespace softndk::iwarp
