"""Downloads: over TLS alone, resumed where they broke off, believed only if the pinned digests agree, unpacked within bounds."""
