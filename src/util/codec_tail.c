/* SPDX-License-Identifier: Apache-2.0 */
#include "util/codec.h"

void codec_tail(struct codec *c)
{
    c->absent = !c->encode && c->err == 0 && c->at == c->end;
}
