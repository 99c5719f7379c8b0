/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a cluster file before libconfuse gets it, for what libconfuse does badly: it takes
 * the end of the file for the end of a block, lets a quoted text run over many lines, counts a line
 * too many for each comment (3.3), and stops at the first unknown option.
 */
#ifndef TANDEM_IO_CONFIG_CONFIG_TEXT_H
#define TANDEM_IO_CONFIG_CONFIG_TEXT_H

#include <stdbool.h>

#include "io/config/config_errors.h"

/* Blanks the comments, keeping line ends. ERR_FORMAT, reported: a quoted text, comment or block
 * that is not closed, or a brace too many. */
int config_text_prepare(char *text, struct config_errors *errors) NODISCARD;

/* Overwrites the statement that begins with `name` in `line` (1 = first) with blanks, keeping line
 * ends, so that the rest can be checked. False, and the text unchanged, if it is not found.
 * Prepared text only. */
bool config_text_erase(char *text, unsigned line, const char *name);

#endif
