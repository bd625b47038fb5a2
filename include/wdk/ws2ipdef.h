// IPv6 addresses and the union of both families.
#ifndef SOFTNDK_WDK_WS2IPDEF_H
#define SOFTNDK_WDK_WS2IPDEF_H

#include "ws2def.h"

typedef struct SOFTNDK_SOCKET_TAG(in6_addr) {
  union {
    UCHAR Byte[16];
    USHORT Word[8];
  } u;
} IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;

typedef struct SOFTNDK_SOCKET_TAG(sockaddr_in6) {
  ADDRESS_FAMILY sin6_family;
  USHORT sin6_port;
  ULONG sin6_flowinfo;
  IN6_ADDR sin6_addr;
  __extension__ union {
    ULONG sin6_scope_id;
    SCOPE_ID sin6_scope_struct;
  };
} SOCKADDR_IN6_LH, *PSOCKADDR_IN6_LH;
typedef SOCKADDR_IN6_LH SOCKADDR_IN6, *PSOCKADDR_IN6;

typedef union _SOCKADDR_INET {
  SOCKADDR_IN Ipv4;
  SOCKADDR_IN6 Ipv6;
  ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

SOFTNDK_STATIC_ASSERT(sizeof(SOCKADDR_IN6) == 28 && sizeof(SOCKADDR_INET) == 28, "Windows x64 layout");

#define INET_ADDRSTRLEN_WDK 22
#define INET6_ADDRSTRLEN_WDK 65

#ifndef SOFTNDK_HOST_SOCKETS
#define s6_addr u.Byte
#define s6_bytes u.Byte
#define s6_words u.Word
#define INET_ADDRSTRLEN INET_ADDRSTRLEN_WDK
#define INET6_ADDRSTRLEN INET6_ADDRSTRLEN_WDK
#define IN6ADDR_ANY_INIT \
  {                      \
    {                    \
      { 0 }              \
    }                    \
  }
#define IN6ADDR_LOOPBACK_INIT                            \
  {                                                      \
    {                                                    \
      { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } \
    }                                                    \
  }
#endif

#endif
