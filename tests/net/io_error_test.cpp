#include "net/io_error.h"

#include <errno.h>
#include <gtest/gtest.h>

namespace softndk::net {
namespace {

using io::IoError;

TEST(IoErrorMapping, TellsApartWhatTheLayersAboveCanActOn) {
  EXPECT_EQ(to_io_error(ECONNREFUSED, Call::connect), IoError::refused);
  EXPECT_EQ(to_io_error(ENETUNREACH, Call::connect), IoError::network_unreachable);
  EXPECT_EQ(to_io_error(EINVAL, Call::connect), IoError::network_unreachable);
  EXPECT_EQ(to_io_error(EHOSTUNREACH, Call::connect), IoError::host_unreachable);
  EXPECT_EQ(to_io_error(ETIMEDOUT, Call::connect), IoError::timed_out);
  EXPECT_EQ(to_io_error(ECONNRESET, Call::transfer), IoError::reset);
  EXPECT_EQ(to_io_error(EPIPE, Call::transfer), IoError::reset);
  EXPECT_EQ(to_io_error(EADDRINUSE, Call::local), IoError::address_in_use);
  for (int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS})
    EXPECT_EQ(to_io_error(error, Call::local), IoError::no_resources);
  EXPECT_EQ(to_io_error(EACCES, Call::local), IoError::not_permitted);
}

TEST(IoErrorMapping, EaddrnotavailMeansTwoThings) {
  EXPECT_EQ(to_io_error(EADDRNOTAVAIL, Call::local), IoError::address_not_local);
  EXPECT_EQ(to_io_error(EADDRNOTAVAIL, Call::connect), IoError::already_connected);
}

}  // namespace
}  // namespace softndk::net
