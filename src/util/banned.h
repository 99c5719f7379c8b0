/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Force-included into every translation unit: calls that are unsafe, unbounded, locale dependent or
 * blocking become compile errors. Use util/fmt.h, util/buf.h and the adapters instead.
 */
#ifndef TANDEM_UTIL_BANNED_H
#define TANDEM_UTIL_BANNED_H

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll
#pragma GCC poison gmtime localtime ctime asctime system popen tmpnam mktemp gethostbyname

#endif
