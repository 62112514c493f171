"""HL7 version 2, for a RIS."""
