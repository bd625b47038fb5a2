#define LAYOUT_ROWS layout_rows_c
#include "layout_checks.inc"
