/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes an older agent of the same sources: it says an earlier version, and of every message
 * it neither sends nor reads what was appended since the first one. Linked before the libraries,
 * these stand for src/util/version.c and src/util/codec_tail.c. What it does otherwise is what the
 * present one does: rules and entries of an earlier version are not in it.
 */
#include "util/codec.h"
#include "util/version.h"

const char *tandem_version(void)
{
    return "0.0.1-older";
}

void codec_tail(struct codec *c)
{
    c->absent = true;
}
