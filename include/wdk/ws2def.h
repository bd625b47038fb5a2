// Socket addresses with Windows' family numbers: IPv6 is 23 here and 10 on Linux, so that host and kernel addresses are
// never interchangeable (R-ABI-02). Ports and addresses are in network byte order.
//
// With SOFTNDK_HOST_SOCKETS (see detail/compiler.h) the lower-case tags and the AF_ and IPPROTO_ words stay the host's;
// SOCKADDR and its kin and SOFTNDK_AF_INET6 are there either way.
#ifndef SOFTNDK_WDK_WS2DEF_H
#define SOFTNDK_WDK_WS2DEF_H

#include "ntdef.h"

#define SOFTNDK_AF_UNSPEC 0
#define SOFTNDK_AF_INET 2
#define SOFTNDK_AF_INET6 23

#ifdef SOFTNDK_HOST_SOCKETS
#define SOFTNDK_SOCKET_TAG(name) softndk_##name
#else
#define SOFTNDK_SOCKET_TAG(name) name
#endif

typedef USHORT ADDRESS_FAMILY;

typedef struct SOFTNDK_SOCKET_TAG(in_addr) {
  union {
    struct {
      UCHAR s_b1, s_b2, s_b3, s_b4;
    } S_un_b;
    struct {
      USHORT s_w1, s_w2;
    } S_un_w;
    ULONG S_addr;
  } S_un;
} IN_ADDR, *PIN_ADDR, *LPIN_ADDR;

typedef struct SOFTNDK_SOCKET_TAG(sockaddr) {
  ADDRESS_FAMILY sa_family;
  CHAR sa_data[14];
} SOCKADDR, *PSOCKADDR, *LPSOCKADDR;

typedef struct SOFTNDK_SOCKET_TAG(sockaddr_in) {
  ADDRESS_FAMILY sin_family;
  USHORT sin_port;
  IN_ADDR sin_addr;
  CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN;

typedef struct SOFTNDK_SOCKET_TAG(sockaddr_storage) {
  ADDRESS_FAMILY ss_family;
  CHAR ss_pad1[6];
  LONGLONG ss_align;
  CHAR ss_pad2[112];
} SOCKADDR_STORAGE_LH, *PSOCKADDR_STORAGE_LH;
typedef SOCKADDR_STORAGE_LH SOCKADDR_STORAGE, *PSOCKADDR_STORAGE;

typedef struct _SOCKET_ADDRESS {
  PSOCKADDR lpSockaddr;
  INT iSockaddrLength;
} SOCKET_ADDRESS, *PSOCKET_ADDRESS;

typedef struct _SCOPE_ID {
  __extension__ union {
    __extension__ struct {
      ULONG Zone : 28;
      ULONG Level : 4;
    };
    ULONG Value;
  };
} SCOPE_ID, *PSCOPE_ID;

SOFTNDK_STATIC_ASSERT(sizeof(SOCKADDR) == 16 && sizeof(SOCKADDR_IN) == 16, "Windows x64 layout");
SOFTNDK_STATIC_ASSERT(sizeof(SOCKADDR_STORAGE) == 128, "Windows x64 layout");

#ifndef SOFTNDK_HOST_SOCKETS
#define s_addr S_un.S_addr
#define s_host S_un.S_un_b.s_b2
#define s_net S_un.S_un_b.s_b1
#define s_imp S_un.S_un_w.s_w2
#define s_impno S_un.S_un_b.s_b4
#define s_lh S_un.S_un_b.s_b3

#define AF_UNSPEC SOFTNDK_AF_UNSPEC
#define AF_UNIX 1
#define AF_INET SOFTNDK_AF_INET
#define AF_INET6 SOFTNDK_AF_INET6
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOL_SOCKET 0xffff

typedef enum {
  IPPROTO_IP = 0,
  IPPROTO_ICMP = 1,
  IPPROTO_TCP = 6,
  IPPROTO_UDP = 17,
  IPPROTO_IPV6 = 41,
  IPPROTO_ICMPV6 = 58,
  IPPROTO_RAW = 255
} IPPROTO,
    *PIPROTO;

#define INADDR_ANY ((ULONG)0x00000000)
#define INADDR_LOOPBACK 0x7f000001
#define INADDR_BROADCAST ((ULONG)0xffffffff)
#define INADDR_NONE 0xffffffff
#endif

#endif
