/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/host.h"

static void host_days_codec(struct codec *c, int32_t *days)
{
    uint32_t raw = (uint32_t)*days;
    codec_u32(c, &raw);
    if (!c->encode)
        *days = (int32_t)raw;
}

void host_facts_codec(struct codec *c, struct host_facts *f)
{
    codec_bool(c, &f->known);
    codec_u32(c, &f->judged);
    codec_u32(c, &f->wrong);
    codec_u32(c, &f->devices);
    codec_u32(c, &f->data_size_mb);
    codec_u32(c, &f->data_free_mb);
    codec_u32(c, &f->state_size_mb);
    codec_u32(c, &f->state_free_mb);
    host_days_codec(c, &f->certificate_days);
    host_days_codec(c, &f->ca_days);
}
