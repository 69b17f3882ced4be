import { engineContract } from './engine-contract.js';
import { open } from './open-engine.js';

engineContract(open);
