/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the program, as meson.build has it. A function in a file of its own, so that the
 * tests can link a program that says another one (lab/older.c). */
#ifndef TANDEM_UTIL_VERSION_H
#define TANDEM_UTIL_VERSION_H

/* Static text, at most VERSION_TEXT_MAX - 1 bytes. */
const char *tandem_version(void);

#endif
