"""Our adapter on EigenLayer's own contracts, which are not ours and are not kept here."""
