// As a source of the library sees it, between the host's own socket headers.
#include <netinet/in.h>
#define LAYOUT_ROWS layout_rows_cpp_library
#include <arpa/inet.h>
#include <sys/socket.h>
#include "layout_checks.inc"
