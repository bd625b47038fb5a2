#pragma once
#include <NTDDK.h>
#include <Wsk.h>

#include "..\inc\numbers.H"
#include "Trace.tmh"
